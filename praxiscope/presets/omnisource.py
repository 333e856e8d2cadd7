"""The web data that the OmniSource recipes are joined with, in one ratio."""

from praxiscope.data.omnisource import Classes, instagram_videos, kinetics_raw, web_images
from praxiscope.recipe import AuxiliarySource


def web_sources(classes: Classes, videos_per_source: int) -> tuple[AuxiliarySource, ...]:
    """Return web images, trimmed and untrimmed web videos, so many of each in a device's batch.

    Classes of the crawled lists are drawn in proportion to the square root of their size, as in the
    mini-Kinetics configs of OpenMMLab's 0.x.
    """
    return (
        AuxiliarySource(
            videos=web_images(classes), videos_per_device=videos_per_source, class_balance=0.5
        ),
        AuxiliarySource(
            videos=instagram_videos(classes), videos_per_device=videos_per_source, class_balance=0.5
        ),
        AuxiliarySource(videos=kinetics_raw(classes), videos_per_device=videos_per_source),
    )

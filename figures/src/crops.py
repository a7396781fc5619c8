"""A photograph, where pan and scan cuts it, and the three squares that the encoder is given."""

from matplotlib.figure import Figure

from gemma3_edu.hub.checkpoint import ASSETS
from gemma3_edu.lessons.figures.pan_and_scan import cut_picture

TITLE = "Pan and scan on a photograph"
ALT = (
    "A photograph of 1024 x 484 pixels is cut into 2 crops side by side; below, the 3 squares that"
    " the encoder sees: the whole, squeezed to half its width, and both crops in nearly their"
    " shape."
)
LONG = """Above, a landscape in grey: firs in front of a mountain range, 1024 pixels wide and 484
high. A dashed line from top to bottom cuts it in the middle into crop 1, on the left, and crop 2,
on the right, each 512 by 484 pixels. Below, three squares of equal size side by side. The first is
the whole photograph, squeezed so that its firs and peaks are half as wide as they were. The second
and the third are the two crops; their shapes look as they do in the photograph. The photograph is
Alpine Landscape by Adolphe Braun, 1865 to 1870; digital image courtesy of the Getty's Open Content
Program."""


def draw() -> Figure:
    """The wider of the two bundled photographs."""
    return cut_picture(ASSETS / "photos" / "french-alpine-landscape.jpg", side=176)

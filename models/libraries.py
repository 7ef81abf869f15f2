"""The libraries that models stand on, in one module that whoever loads a model imports first.

Lanes load their models at once, each in a thread of its own. Modules of torchvision and timm import each other in
circles: two threads that come to them by different ways find them half imported, or lock each other out. Python lets
one thread alone run this module, and the others wait for it.
"""

import open_clip  # noqa: F401
import timm  # noqa: F401
import torch  # noqa: F401
import torchvision  # noqa: F401
import transformers  # noqa: F401

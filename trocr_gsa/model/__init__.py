"""The models and the code that is published on the Hub with their weights.

Importing this package registers the models with transformers.
"""

from .registration import register

register()

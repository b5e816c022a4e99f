"""The models, and what travels to the Hub with their weights; importing them registers them with transformers."""

from .registration import register

register()

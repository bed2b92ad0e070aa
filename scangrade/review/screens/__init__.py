"""The screens of the review, a module for each; what they show comes from the desk."""

"""A Django project, as small as it can be: what these tests need one for."""

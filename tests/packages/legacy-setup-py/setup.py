from setuptools import setup

setup(name="sample-legacy-setup-py", version="1.0", packages=["sample_legacy_setup_py"])

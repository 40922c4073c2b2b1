from setuptools import Extension, setup

setup(
    packages=["sample_c_extension"],
    package_dir={"": "src"},
    ext_modules=[Extension("sample_c_extension._answer", ["src/_answer.c"])],
)

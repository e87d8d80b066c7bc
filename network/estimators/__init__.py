"""The scikit-learn face: estimators with its parameters, attributes and methods. Needs the extra ``[sklearn]``."""

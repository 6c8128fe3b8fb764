"""Networks as estimators of scikit-learn: for pipelines, grid searches and cross-validation.

The one part of minidl that needs scikit-learn to be imported, because an estimator is one by inheritance.
"""

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError(
        "minidl.sklearn needs scikit-learn, which is not installed: pip install 'scikit-learn>=1.6'"
    ) from None

from minidl.sklearn.classifier import NeuralNetClassifier
from minidl.sklearn.regressor import NeuralNetRegressor

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]

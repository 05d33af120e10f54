"""The plugin's code on PyQt6, with a stand-in for QGIS; tests/test_qt6.py runs it in .envs/qt6."""

"""The checkout itself is a QGIS plugin folder: hands on the plugin's entry point."""


def classFactory(iface):
    """Return the plugin; imported only here, so that the engine's Python can read this file too."""
    from .msr_plugin import classFactory as make_plugin

    return make_plugin(iface)

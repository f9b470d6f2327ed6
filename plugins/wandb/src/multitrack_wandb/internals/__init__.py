"""Everything that the plugin uses of the SDK and that is no public API of it.

:mod:`~multitrack_wandb.internals.lookup` lists the names, with the public way that is taken where a release lacks one;
:mod:`~multitrack_wandb.internals.isolation` keeps runs apart from the environment, and
:mod:`~multitrack_wandb.internals.helper` talks to the SDK's helper process and its server.
"""

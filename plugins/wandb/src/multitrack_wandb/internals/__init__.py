"""All uses of the SDK's non-public API.

:mod:`~multitrack_wandb.internals.lookup` lists the names, each with a public fallback.
:mod:`~multitrack_wandb.internals.isolation` isolates runs from the environment.
:mod:`~multitrack_wandb.internals.helper` talks to the SDK's helper process and its server.
:mod:`~multitrack_wandb.internals.paging` frees what the public API has handed out.
"""

"""Stands for tensorboardX: a program that logs with its writer takes some milliseconds."""  # noqa: N999

from .writer import SummaryWriter as SummaryWriter

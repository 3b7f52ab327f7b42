"""Classifiers of natural pictures: the invariant ensemble, and a plain one."""

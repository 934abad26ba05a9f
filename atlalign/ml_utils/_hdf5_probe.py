"""Read all of an HDF5 file. Run in a process of its own, since HDF5 hangs or crashes on some damaged files.

It imports nothing but h5py, to start quickly.
"""

import sys

import h5py


def read_all(path: str, max_bytes: int) -> None:
    """Read every attribute and array of a file, without following links out of its tree.

    Parameters
    ----------
    path : str
        The file.
    max_bytes : int
        Larger arrays are left out.
    """
    with h5py.File(path, "r") as file:
        pending, seen = [file], set()
        while pending:
            item = pending.pop()
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Group):
                links = {name: item.get(name, getlink=True) for name in item}
                pending += [item[name] for name, link in links.items() if isinstance(link, h5py.HardLink)]
            elif isinstance(item, h5py.Dataset) and _is_inside(item) and item.nbytes <= max_bytes:
                item[()]


def _is_inside(dataset: h5py.Dataset) -> bool:
    return not dataset.is_virtual and not dataset.external


if __name__ == "__main__":
    read_all(sys.argv[1], int(sys.argv[2]))

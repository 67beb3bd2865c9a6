"""Lets PyTorch's usual build run on a machine without a GPU, without gigabytes of GPU libraries.

    python absent_cuda.py

PyTorch from the Python package index is linked against CUDA. Its CPU side never calls it, but the loader wants every
library and every symbol. This makes, beside PyTorch's own libraries, small libraries of the wanted names in which
each wanted function answers "no device" (cudaErrorNoDevice, 100), which is the truth on such a machine. Nothing of
the real libraries is copied. Needs `cc`, `nm` and `readelf`.
"""

import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys
import tempfile

NO_DEVICE = 100
# What the system or PyTorch itself gives; all else is CUDA's.
SYSTEM = ("libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "ld-linux", "libgcc_s.so", "libstdc++.so", "libgomp.so")
OWN = ("libtorch", "libc10", "libcaffe2", "libshm")
# How the functions begin that carry no version.
OF_CUDA = ("cu", "nccl", "nvrtc", "nvshmem", "nvml", "nv")


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def needed(library):
    return {line.split("[")[1].rstrip("]") for line in lines("readelf", "-d", library) if "(NEEDED)" in line}


def undefined(library):
    """Name and version of each symbol that another library has to give."""
    for line in lines("nm", "-D", "--undefined-only", library):
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@")


def versions(library):
    """Which library each symbol version is looked for in."""
    file = None
    for line in lines("readelf", "-W", "-V", library):
        if "File: " in line:
            file = line.split("File: ")[1].split()[0]
        elif "Name: " in line and file and "Version: " in line:
            yield line.split("Name: ")[1].split()[0], file


def write_library(path, symbols):
    """A library with these (symbol, version) pairs."""
    text = ['static const char words[] = "no CUDA device";']
    by_version = {}
    for name, version in sorted(symbols):
        by_version.setdefault(version, []).append(name)
        if name.endswith(("ErrorString", "ErrorName", "StatusString", "StatusName")):
            text.append(f"const char *{name}(void) {{ return words; }}")
        else:
            text.append(f"long {name}(void) {{ return {NO_DEVICE}; }}")
    script = "".join(
        f"{version} {{ global: {'; '.join(names)}; }};\n" for version, names in by_version.items() if version
    )
    with tempfile.TemporaryDirectory() as scratch:
        source, map_file = pathlib.Path(scratch) / "absent.c", pathlib.Path(scratch) / "absent.map"
        source.write_text("\n".join(text))
        map_file.write_text(script)
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", source, f"-Wl,-soname,{path.name}", "-o", path]
        subprocess.run(command + ([f"-Wl,--version-script={map_file}"] if script else []), check=True)


def main():
    folder = pathlib.Path(importlib.util.find_spec("torch").origin).parent / "lib"
    files = (pathlib.Path(file.locate()) for file in importlib.metadata.files("torch"))
    own = [path for path in files if path.parent == folder and path.name.startswith(OWN)]
    absent = set().union(*(needed(path) for path in own)) - {path.name for path in own}
    absent = {name for name in absent if not name.startswith(SYSTEM)}
    defined = {
        line.split()[-1].split("@")[0] for path in own for line in lines("nm", "-D", "--defined-only", path)
    }
    homes = {version: file for path in own for version, file in versions(path) if file in absent}
    unversioned = sorted((absent - set(homes.values())) & needed(folder / "libtorch_cuda.so"))
    wanted = {name: set() for name in absent}
    for path in own:
        if not needed(path) & absent:
            continue
        for name, version in undefined(path):
            if version in homes:
                wanted[homes[version]].add((name, version))
            elif not version and name not in defined and name.startswith(OF_CUDA):
                wanted[unversioned[0]].add((name, ""))
    for name, symbols in wanted.items():
        write_library(folder / name, symbols)
    count = sum(len(symbols) for symbols in wanted.values())
    print(f"{len(absent)} libraries that are not there, {count} functions that answer so", file=sys.stderr)


main()

# Compiles for 64-bit ARM with Debian's cross compiler; what is compiled runs under QEMU.
# `tools/aarch64.sh` has unpacked Debian's libraries for it in the folder `root`.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(root "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-root")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${root})
set(CMAKE_FIND_ROOT_PATH "${root}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)

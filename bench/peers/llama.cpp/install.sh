#!/usr/bin/env bash
# Builds llama.cpp's llama-server and llama-batched-bench for the engine benches, from the source
# bundle and against the shared libraries of the very npm release that Unbusy's engine uses.
#
#   bench/peers/llama.cpp/install.sh [JOBS]     (default 1; needs cmake, a C++17 compiler, git)
#
# Writes only below out/ beside this script: out/src (source), out/bin (programs + libraries),
# about 15 CPU minutes. A second call does only what is missing. Linux x64.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly VERSION=3.22.1
readonly BUNDLE_PACKAGE="node-llama-cpp@$VERSION"
readonly LIBRARY_PACKAGE="@node-llama-cpp/linux-x64@$VERSION"
jobs=${1:-1}

for tool in cmake git npm c++; do
  command -v "$tool" >/dev/null || { echo "install.sh: $tool is missing" >&2; exit 1; }
done
mkdir -p out/packages out/bin

# The tarball of an npm package, unpacked into out/packages/NAME. npm checks its digest.
fetch() {
  local package=$1 name=$2
  [ -e "out/packages/$name/package.json" ] && return
  local tarball
  tarball=$(npm pack --silent --pack-destination out/packages "$package" | tail -n 1)
  mkdir -p "out/packages/$name"
  tar -xzf "out/packages/$tarball" -C "out/packages/$name" --strip-components=1
  rm -f "out/packages/$tarball"
}
fetch "$BUNDLE_PACKAGE" node-llama-cpp
fetch "$LIBRARY_PACKAGE" linux-x64

if [ ! -e out/src/CMakeLists.txt ]; then
  git clone --quiet out/packages/node-llama-cpp/llama/gitRelease.bundle out/src
fi
cp -n out/packages/linux-x64/bins/linux-x64/*.so out/bin/

cmake -S . -B out/cmake -DCMAKE_BUILD_TYPE=Release \
  -DLLAMA_SOURCE="$PWD/out/src" -DSHIPPED="$PWD/out/bin"
cmake --build out/cmake --parallel "$jobs" --target llama-batched-bench llama-server
echo "built: $PWD/out/bin/llama-server and $PWD/out/bin/llama-batched-bench"

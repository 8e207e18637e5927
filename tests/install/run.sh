#!/usr/bin/env bash
# Installs the build tree and builds a program outside of it against the result.
#
#   run.sh tree | cmake_package | pkg_config | other_compiler
#
# Environment: BUILD the build tree, WORK a folder of the test's own, CXX the compiler, ROOMS the installed rooms.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$WORK/prefix
read -r -a rooms <<<"$ROOMS"

# A source that includes every installed header.
write_headers_source() {
    (cd "$prefix/include/co_wq" && find . -name '*.hpp' | sort | sed 's|^\./\(.*\)|#include "\1"|') >"$1"
    [[ -s $1 ]] || { echo "no headers were installed" >&2; exit 1; }
}

case ${1:?} in
    tree)
        rm -rf "$prefix"
        cmake --install "$BUILD" --prefix "$prefix"
        if [[ -x $BUILD/bin/co_http_proxy ]]; then "$prefix/bin/co_http_proxy" --version; fi
        ;;
    cmake_package)
        rm -rf "$WORK/cmake_package"
        mkdir -p "$WORK/cmake_package"
        write_headers_source "$WORK/cmake_package/headers.cpp"
        cmake -S "$here/consumer" -B "$WORK/cmake_package/build" -G Ninja -DCMAKE_CXX_COMPILER="$CXX" \
            -DCMAKE_PREFIX_PATH="$prefix" -DROOMS="${rooms[*]}" -DHEADERS="$WORK/cmake_package/headers.cpp"
        cmake --build "$WORK/cmake_package/build"
        "$WORK/cmake_package/build/consumer"
        ;;
    pkg_config)
        rm -rf "$WORK/pkg_config"
        mkdir -p "$WORK/pkg_config"
        write_headers_source "$WORK/pkg_config/headers.cpp"
        export PKG_CONFIG_PATH
        PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name co_wq-base.pc)")
        eval "flags=($(pkg-config --cflags --libs "${rooms[@]/#/co_wq-}"))" # pkg-config quotes for the shell
        "$CXX" -std=c++23 -o "$WORK/pkg_config/consumer" "$here/consumer/main.cpp" "$WORK/pkg_config/headers.cpp" \
            "${flags[@]}"
        "$WORK/pkg_config/consumer"
        ;;
    other_compiler) # must not link, and say why
        export PKG_CONFIG_PATH
        PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name co_wq-base.pc)")
        eval "flags=($(pkg-config --cflags --libs co_wq-task))"
        if said=$("$OTHER_CXX" -std=c++23 -o "$WORK/other_compiler" "$here/other_compiler.cpp" "${flags[@]}" 2>&1); then
            echo "a program of another compiler was linked with the library" >&2
            exit 1
        fi
        grep -q 'library_built_by_' <<<"$said" || { echo "$said" >&2 && exit 1; }
        ;;
esac

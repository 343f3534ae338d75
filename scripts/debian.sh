# Sourced: installing Debian packages where there is apt-get and the right to use it. Never asks for a password.

debian_missing() { # package ... -> those that are not installed; what is there as a command by another way is not missing
    local package
    for package in "$@"; do
        command -v "$package" >/dev/null 2>&1 || [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || echo "$package"
    done
}

debian_install() { # package ... ; false where it cannot be done
    local as_root=()
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    printf 'setup: installing Debian packages: %s\n' "$*" >&2
    "${as_root[@]}" apt-get update -qq >&2 || true # a source that is down must not stop what the lists at hand can give
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

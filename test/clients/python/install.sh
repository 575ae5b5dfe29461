#!/usr/bin/env bash
# Puts Debian's python3-mcp (in sid) with all it needs into node_modules/.cache/python-mcp, where the tests look for it, and nothing anywhere else:
# apt works on a state of its own, the packages are unpacked and not installed. Needs Debian's archive keyring; no root.
set -euo pipefail
root="$(cd "$(dirname "$0")/../../.." && pwd)/node_modules/.cache/python-mcp"
[ -x "$root/python" ] && exit 0

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
touch "$work/state/status"
# The mirror that this machine uses for its own release.
mirror="${DEBIAN_MIRROR:-$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 || true)}"
[ -n "$mirror" ] || { echo "no Debian mirror is configured here; name one in DEBIAN_MIRROR" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
cat >"$work/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
EOF
apt-get -qq -c "$work/apt.conf" update
apt-get -qq -c "$work/apt.conf" -y --download-only install python3-mcp
for package in "$work"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$work/root"; done

# Its own loader and C library: those of this machine may be older than the packages.
loader="$(cd "$work/root/usr" && ls lib*/ld-linux-*.so.* | head -n 1)"
libraries="$(dirname "$(cd "$work/root" && find usr/lib -name 'libc.so.6' | head -n 1)")"
cat >"$work/root/python" <<EOF
#!/bin/sh
root="\$(dirname "\$0")"
PYTHONHOME="\$root/usr" exec "\$root/usr/$loader" --library-path "\$root/$libraries" "\$root/usr/bin/$(readlink "$work/root/usr/bin/python3")" "\$@"
EOF
chmod +x "$work/root/python"
"$work/root/python" -c 'import mcp.client.sse, mcp.client.streamable_http'
mkdir -p "$(dirname "$root")"
rm -rf "$root"
mv "$work/root" "$root"

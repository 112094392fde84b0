#!/bin/sh
# What the container needs and the tree must not have: a certificate, its key, and a user.
#
#   compose/make-secrets.sh [FOLDER]      default: compose/secrets; made once, then kept
#
# The certificate is self-signed, for localhost: replace tls.crt and tls.key with real ones.
# Needs openssl, and `peeklock` for the password's hash: .venv/bin/peeklock, or $PEEKLOCK.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/secrets}
peeklock=${PEEKLOCK:-$here/../.venv/bin/peeklock}

if [ -e "$folder/credentials.json" ]; then
    echo "$folder is there already; remove it to make new ones" >&2
    exit 1
fi
# Nobody else on this machine can enter the folder; the container's user reads the files.
mkdir -p -m 0700 "$folder"
password=$(openssl rand -hex 16)
hash=$(printf '%s\n' "$password" | $peeklock serve --hash-password)
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
    -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null
{
    cat "$here/peeklock.toml"
    printf '\n[[users]]\nname = "admin"\npassword_hash = "%s"\n' "$hash"
} >"$folder/peeklock.toml"
printf '{"brokers": [{"url": "amqps://localhost:5671", "user": "admin", "password": "%s"}]}\n' \
    "$password" >"$folder/credentials.json"
chmod 0644 "$folder"/*
echo "made $folder: user admin; its password is in credentials.json"

#!/bin/sh
# Makes, once, what docker/.env leaves out: the secrets, and a certificate of our own until a real one takes its place.
# What is there already stays as it is. Everything is written whole or not at all.
set -eu

SECRETS=${SECRETS:-/run/whisper-portal}
DATABASE_SECRETS=${DATABASE_SECRETS:-/run/database}
S3_CONFIG=${S3_CONFIG:-/run/s3}
CERTIFICATES=${CERTIFICATES:-/run/certificates}
OWNER=${OWNER-10001}

put() {  # FILE MODE [OWNER]: what comes on the standard input
    umask 077
    cat > "$1.new"
    chmod "$2" "$1.new"
    [ -z "${3-}" ] || chown "$3" "$1.new"
    mv "$1.new" "$1"
}

if [ ! -s "$SECRETS/secret_key" ]; then
    openssl rand -base64 48 | tr -d '\n' | put "$SECRETS/secret_key" 400 "$OWNER"
    echo "Made SECRET_KEY."
fi
# PostgreSQL keeps the password that its first start was given: change it there before you set another one here.
if [ -n "${POSTGRES_PASSWORD:-}" ] || [ ! -s "$DATABASE_SECRETS/password" ]; then
    password=${POSTGRES_PASSWORD:-$(openssl rand -hex 24)}
    printf %s "$password" | put "$DATABASE_SECRETS/password" 444
    printf 'postgresql://portal:%s@postgres:5432/portal' "$password" | put "$SECRETS/database_url" 400 "$OWNER"
fi
# Of the S3 server of docker/compose.s3.yaml, which alone reads the file.
if [ ! -s "$S3_CONFIG/s3.json" ]; then
    key=$(openssl rand -hex 32)
    printf '{"identities": [{"name": "portal", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
 "credentials": [{"accessKey": "portal", "secretKey": "%s"}]}]}' "$key" | put "$S3_CONFIG/s3.json" 444
    printf %s "$key" | put "$SECRETS/s3_secret_key" 400 "$OWNER"
fi
if [ ! -s "$CERTIFICATES/fullchain.pem" ]; then
    host=${PORTAL_URL#*://}
    host=${host%%[:/]*}
    case $host in
        *[!0-9.]*) name=DNS:$host ;;
        *) name=IP:$host ;;
    esac
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 825 -subj "/CN=$host" \
        -addext "subjectAltName=$name" -keyout "$CERTIFICATES/privkey.pem" -out "$CERTIFICATES/fullchain.new" 2>/dev/null
    mv "$CERTIFICATES/fullchain.new" "$CERTIFICATES/fullchain.pem"
    echo "Made a certificate for $host that browsers warn of: put a real one in its place."
fi

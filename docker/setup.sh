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
    rm -f "$1.new"  # of a start that was killed; it may be another user's already
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
    name=$(openssl rand -hex 10)
    key=$(openssl rand -hex 32)
    printf %s "$name" | put "$SECRETS/s3_access_key" 400 "$OWNER"
    printf %s "$key" | put "$SECRETS/s3_secret_key" 400 "$OWNER"
    printf '{"identities": [{"name": "portal", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
 "credentials": [{"accessKey": "%s", "secretKey": "%s"}]}]}' "$name" "$key" | put "$S3_CONFIG/s3.json" 444
fi

chain=$CERTIFICATES/fullchain.pem
private=$CERTIFICATES/privkey.pem
host=${PORTAL_URL#*://}
case $host in
    \[*) host=${host#?}; host=${host%%]*}; kind=IP ;;
    *) host=${host%%[:/]*}; kind=DNS ;;
esac
case $host in *[!0-9.]*) ;; *) kind=IP ;; esac

is_ours() { openssl x509 -noout -subject -in "$chain" 2>/dev/null | grep -q "Whisper Portal itself"; }
names_host() {
    case $kind in IP) option=-checkip ;; *) option=-checkhost ;; esac
    openssl x509 -noout "$option" "$host" -in "$chain" | grep -q "does match"
}
lasts() { openssl x509 -noout -checkend 2592000 -in "$chain" >/dev/null; }

if [ ! -e "$chain" ] && [ -e "$private" ] && [ -e "$chain.new" ]; then
    mv "$chain.new" "$chain"  # of a start that was killed between the two
fi
# Ours is made anew for another host, and a month before it ends.
if [ -e "$chain" ] && is_ours && ! { names_host && lasts; }; then
    rm -f "$chain" "$private"
fi
if [ ! -e "$chain" ] && [ ! -e "$private" ]; then
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 825 \
        -subj "/CN=Whisper Portal itself" -addext "subjectAltName=$kind:$host" \
        -keyout "$private.new" -out "$chain.new"
    mv "$private.new" "$private"
    mv "$chain.new" "$chain"
    echo "Made a certificate for $host that browsers warn of: put a real one in its place."
elif [ ! -e "$chain" ] || [ ! -e "$private" ]; then
    echo "There is one of fullchain.pem and privkey.pem, and not the other. Put both there, or neither." >&2
    exit 1
fi

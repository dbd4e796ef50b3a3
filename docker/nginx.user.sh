#!/bin/sh
# Run by nginx's image before nginx: the user whose media it sends is the portal's, of the same number as in our images.
set -eu
id portal >/dev/null 2>&1 || adduser -S -D -H -u 10001 portal

#!/bin/sh
# Run by nginx's image before nginx: the user whose media it sends is the portal's, of the same number as in our images.
# nginx's `user portal;` means the group of this name, too, which adduser doesn't make by itself.
set -eu
getent group portal >/dev/null || addgroup -S -g 10001 portal
id portal >/dev/null 2>&1 || adduser -S -D -H -u 10001 -G portal portal

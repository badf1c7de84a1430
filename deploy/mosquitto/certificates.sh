#!/bin/sh
# Makes the certificates of a plant's broker, with an authority of its own:
#   sh certificates.sh FOLDER server HOST...   FOLDER/server.crt and .key for a broker reached as HOST (names, addresses)
#   sh certificates.sh FOLDER client NAME...   FOLDER/NAME.crt and .key; the NAME is the user: lineside, or a cell, or an AGV
# The first call makes the authority, ca.crt and ca.key. Whoever has ca.key can be anybody: keep it off the broker.
set -eu
usage() { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ "$#" -ge 3 ] || usage
folder=$1 kind=$2
shift 2
umask 077
mkdir -p "$folder"
cd "$folder"
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
[ -e ca.key ] || openssl req -x509 $key -days 3650 -subj "/CN=Lineside plant authority" -keyout ca.key -out ca.crt

sign() { # FILE NAME EXTENSIONS
  printf '%b' "$3" > "$1.ext"
  openssl req $key -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 820 -extfile "$1.ext" -out "$1.crt"
  rm "$1.csr" "$1.ext"
}

case $kind in
  server)
    names=
    for host; do
      case $host in *[!0-9.]*) names="$names,DNS:$host" ;; *) names="$names,IP:$host" ;; esac
    done
    sign server "$1" "subjectAltName = ${names#,}\nextendedKeyUsage = serverAuth\n"
    ;;
  client)
    for name; do
      case $name in *[!A-Za-z0-9._-]* | ca | server) echo "certificates.sh: $name cannot be a user's name" >&2; exit 2 ;; esac
      sign "$name" "$name" "extendedKeyUsage = clientAuth\n"
    done
    ;;
  *) usage ;;
esac

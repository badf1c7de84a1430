#!/bin/sh
# Starts the broker in the current folder with the passwords that the environment gives; none has a default.
set -eu
: "${LINESIDE_BROKER_PASSWORD:?set the password of the user lineside}"
: "${DEVICE_BROKER_PASSWORD:?set the password of the user device}"
case "$LINESIDE_BROKER_PASSWORD$DEVICE_BROKER_PASSWORD" in
  *:* | *"
"*) echo "start.sh: a password holds a colon or a line break, which mosquitto's password file cannot" >&2; exit 1 ;;
esac

umask 077
# mosquitto_passwd hashes the file in place, so that no password stands on a command line.
printf 'lineside:%s\ndevice:%s\n' "$LINESIDE_BROKER_PASSWORD" "$DEVICE_BROKER_PASSWORD" > data/passwords.new
mosquitto_passwd -U data/passwords.new
# The machines' own users, already hashed: mosquitto_passwd -c deploy/mosquitto/users C01
if [ -e config/users ]; then cat config/users >> data/passwords.new; fi
# A broker started by root runs as the user mosquitto, and reads the file again on SIGHUP.
if [ "$(id -u)" = 0 ]; then chown mosquitto data/passwords.new; fi
mv data/passwords.new data/passwords
unset LINESIDE_BROKER_PASSWORD DEVICE_BROKER_PASSWORD

exec mosquitto -c config/mosquitto.conf

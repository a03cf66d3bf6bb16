set -eu
mkdir -p /www/cgi-bin
head -c 2000000 /dev/urandom >/www/data
cat >/www/cgi-bin/who <<'END'
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$(hostname) $REMOTE_ADDR"
END
chmod +x /www/cgi-bin/who
sha256sum /www/data >/www/sum
exec httpd -f -p 8080 -h /www

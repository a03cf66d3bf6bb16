package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/doctor"
	"github.com/weftnet/weft/trust"
)

// keysOf are the keys of a node that has not started yet, and the token of its cluster. The node's key is made here.
func keysOf(t *testing.T, c *cluster.Cluster, n *cluster.Node) (secret, key []byte, token string) {
	t.Helper()
	s, _, err := trust.ReadSecretFile(filepath.Join(n.Dir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	key = make([]byte, 32)
	rand.Read(key)
	err = errors.Join(os.MkdirAll(n.StateDir(), 0o700), os.WriteFile(filepath.Join(n.StateDir(), trust.IdentityFile), key, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return s[:], key, c.Token()
}

// unpack reads an archive: its files by name, without their directory.
func unpack(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// plain is a file as it is, or what it holds if it is compressed.
func plain(data []byte) []byte {
	if zipped, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if text, err := io.ReadAll(zipped); err == nil {
			return text
		}
	}
	return data
}

// TestTheReportHoldsWhatAMaintainerNeedsAndNoKey plants the keys where people might have put them: in the node's name, which is
// in its status and in its log, in the alias of an interface, and in the comments of firewall rules.
func TestTheReportHoldsWhatAMaintainerNeedsAndNoKey(t *testing.T) {
	needProgram(t, "nft", "ip")
	c := newCluster(t, 2)
	n := c.Nodes[0]
	secret, key, token := keysOf(t, c, n)
	if err := n.Up("--name", base64.RawStdEncoding.EncodeToString(secret)); err != nil {
		t.Fatal(err)
	}
	if err := c.Nodes[1].Up(); err != nil {
		t.Fatal(err)
	}
	if err := n.AwaitPeer(within(t, patience), "vm-2", api.StateUp); err != nil {
		t.Fatal(err)
	}
	shell(t, n, "ip link set dev eth0 alias "+hex.EncodeToString(key)+"; nft add table inet planted; nft add chain inet planted c; "+
		"nft add rule inet planted c counter comment \\\""+base64.URLEncoding.EncodeToString(key)+"\\\"; "+
		"nft add rule inet planted c counter comment \\\""+token[:100]+"\\\"")
	text, err := n.Weft(within(t, patience), "report", "--out", "-", "--socket", n.Socket(), "--config", n.Config())
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, []byte(text))
	for name, data := range files {
		lower := bytes.ToLower(plain(data))
		for what, form := range map[string]string{
			"secret as it is": string(secret), "secret in hexadecimal": hex.EncodeToString(secret), "secret in base64": base64.RawStdEncoding.EncodeToString(secret),
			"node key as it is": string(key), "node key in hexadecimal": hex.EncodeToString(key), "node key in base64": base64.RawURLEncoding.EncodeToString(key),
			"token": token[:50], "secret within the token": token[20:50],
		} {
			if bytes.Contains(lower, bytes.ToLower([]byte(form))) {
				t.Errorf("%s has the %s", name, what)
			}
		}
	}
	for name, want := range map[string]string{
		"contents.txt": "status.json", "version.json": "wire_max", "config.json": filepath.Join(n.Dir(), "secret"), "log.txt": "node.started",
		"goroutines.txt": "goroutine profile: ", "network/addresses.txt": "alias (removed)", "network/nft.txt": "(removed)", "status.json": `"name": "(removed)"`,
		"network/routes4.txt": "unreachable 10.244.0.0/16", "network/sysctl.txt": "net/ipv4/conf/weft0/rp_filter", "network/snmp": "Udp:",
		"network/softnet_stat": "0", "machine/uname.txt": "Linux", "peers.json": "vm-2", "fastpath.json": "lanes_why", "routes.json": "10.244.", "map.json": "vm-2",
	} {
		if !bytes.Contains(files[name], []byte(want)) {
			t.Errorf("%s lacks %q: %.300s", name, want, files[name])
		}
	}
	if !bytes.Contains(plain(files["heap.pprof"]), []byte("inuse_space")) {
		t.Errorf("heap.pprof has %d bytes, and is no profile of the heap", len(files["heap.pprof"]))
	}
	var findings doctor.Report
	if err := json.Unmarshal(files["doctor.json"], &findings); err != nil || check(findings, "driver").Finding == "" {
		t.Errorf("doctor.json: %v, %.300s", err, files["doctor.json"])
	}
	if len(text) > 4<<20 {
		t.Errorf("%d bytes", len(text))
	}
}

func TestTheReportIsAFileForItsOwnerAloneAlsoWithoutADaemon(t *testing.T) {
	c := newCluster(t, 1)
	n := c.Nodes[0]
	path := filepath.Join(n.Dir(), "report.tar.gz")
	text, err := n.Weft(within(t, patience), "report", "--out", path, "--socket", n.Socket(), "--config", n.Config())
	if err != nil || strings.TrimSpace(text) != path {
		t.Fatalf("%v, it says %q", err, text)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, data)
	assertSays(t, string(files["contents.txt"]), "status.json", "missing", "weft is not running")
	if len(files["doctor.json"]) == 0 || len(files["config.json"]) == 0 || len(files["status.json"]) != 0 {
		t.Errorf("%s", files["contents.txt"])
	}
	again, err := n.Weft(within(t, patience), "report", "--out", path)
	if err == nil {
		t.Errorf("it wrote over a file: %s", again)
	}
}

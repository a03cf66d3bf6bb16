package bed

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
)

func TestBothFormsOfAWireGuardConfigurationSayTheSame(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	b := testBed(t, Options{}, hostGW{}) // for its addresses
	keys, err := newWGKeys()
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range b.ends() {
		own, peer := keys[i].Bytes(), keys[1-i].PublicKey().Bytes()
		endpoint, allowed := e.peer.Addr4().String()+":51820", e.peerSubnet.String()
		assertLines(t, keys.uapi(i, e), "private_key="+hex.EncodeToString(own), "listen_port=51820", "replace_peers=true",
			"public_key="+hex.EncodeToString(peer), "endpoint="+endpoint, "allowed_ip="+allowed)
		text := base64.StdEncoding.EncodeToString
		assertLines(t, keys.file(i, e), "[Interface]", "PrivateKey = "+text(own), "ListenPort = 51820",
			"[Peer]", "PublicKey = "+text(peer), "Endpoint = "+endpoint, "AllowedIPs = "+allowed)
	}
}

func TestWireGuardKeysAreMadeAnewForEveryBed(t *testing.T) {
	first, err := newWGKeys()
	if err != nil {
		t.Fatal(err)
	}
	second, err := newWGKeys()
	if err != nil {
		t.Fatal(err)
	}
	if first[0].Equal(first[1]) || first[0].Equal(second[0]) || first[1].Equal(second[1]) {
		t.Error("a key came twice")
	}
}

func assertLines(t *testing.T, text string, want ...string) {
	t.Helper()
	if text != strings.Join(want, "\n")+"\n" {
		t.Errorf("%s\nwant %s", text, strings.Join(want, "\n"))
	}
}

package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestPublicIsWhatRoutersOfTheInternetCarry(t *testing.T) {
	for text, want := range map[string]bool{
		"9.9.9.9": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "192.0.3.0": true,
		"198.17.255.255": true, "198.20.0.0": true, "240.0.0.1": true, "2620:fe::fe": true, "2001:db9::1": true, "64:ff9b::909:909": true,
		"::ffff:9.9.9.9": true, "fec0::1": true,

		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.7.1": false, "100.64.0.1": false, "100.127.255.255": false,
		"127.0.0.1": false, "169.254.1.1": false, "0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false,
		"192.0.2.1": false, "198.51.100.7": false, "203.0.113.9": false, "198.18.0.1": false, "198.19.255.255": false,
		"::": false, "::1": false, "fe80::1%eth0": false, "fd77::1": false, "fc00::1": false, "ff02::1": false,
		"2001:db8::1": false, "3fff::1": false, "2001:2::1": false, "::ffff:10.1.2.3": false,
	} {
		if got := Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("Public(%s) = %v, want %v", text, got, want)
		}
	}
}

func TestEncryptionOffRefusesPublicAddressesUnlessForced(t *testing.T) {
	for key, value := range map[string]string{
		"listen": "9.9.9.9:9338", "advertise": "[10.0.0.1, 9.9.9.9]", "join": "[seed.example, '9.9.9.9:77']",
	} {
		for _, test := range []struct {
			further string
			refused bool
		}{
			{"encryption: off\n", true}, {"encryption: off\nclear_on_public: false\n", true},
			{"encryption: off\nclear_on_public: true\n", false}, {"encryption: on\n", false}, {"", false},
		} {
			c := Default()
			if err := c.Parse([]byte(test.further + key + ": " + value + "\n")); err != nil {
				t.Fatal(err)
			}
			err := c.Validate()
			if !test.refused {
				if err != nil {
					t.Errorf("%s%s: %v", test.further, key, err)
				}
				continue
			}
			checkRefusal(t, err, key, "9.9.9.9")
		}
	}
}

// checkRefusal checks that err is one line that names the key, the address, what an attacker can do, and the ways out.
func checkRefusal(t *testing.T, err error, key, address string) {
	t.Helper()
	if !errors.Is(err, ErrConfig) {
		t.Errorf("%s: %v, want it refused", key, err)
		return
	}
	for _, want := range []string{key + ": ", address, "encryption is off", "read and alter", "inject", "encryption: on", "clear_on_public: true"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q does not name %q", key, err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %q is not one line", key, err)
	}
}

func TestEncryptionOffTakesPrivateAddresses(t *testing.T) {
	c := Default()
	text := "encryption: off\nlisten: 192.0.2.1:9338\nadvertise: [192.168.1.1, 'fd77::1']\njoin: [host, 100.64.1.1, '[fe80::1%eth0]:9338']\n"
	if err := c.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

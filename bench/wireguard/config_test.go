package wireguard

import (
	"context"
	"io"
	"strings"
	"testing"
)

func TestAConfigurationIsReadWholeAndAlone(t *testing.T) {
	c, err := readConfig(strings.NewReader(`{"device":"wg0","mtu":1420,"uapi":"listen_port=51820\n"}` + "\n"))
	want := Config{Device: "wg0", MTU: 1420, UAPI: "listen_port=51820\n"}
	if err != nil || c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
}

func TestABadConfigurationIsRefusedInOneLineBeforeADeviceIsMade(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"nothing":         {``, "EOF"},
		"no JSON":         {`wg0`, "invalid character"},
		"cut off":         {`{"device":"wg0",`, "EOF"},
		"unknown key":     {`{"device":"wg0","mtu":1420,"uapi":"x=y","fwmark":1}`, "fwmark"},
		"wrong type":      {`{"device":"wg0","mtu":"1420","uapi":"x=y"}`, "mtu"},
		"two objects":     {`{"device":"wg0","mtu":1420,"uapi":"x=y"} {}`, "more follows"},
		"no device":       {`{"mtu":1420,"uapi":"x=y"}`, "device"},
		"long name":       {`{"device":"wireguard-device","mtu":1420,"uapi":"x=y"}`, "1 to 15"},
		"no MTU":          {`{"device":"wg0","uapi":"x=y"}`, "MTU 0"},
		"MTU too large":   {`{"device":"wg0","mtu":65536,"uapi":"x=y"}`, "65536"},
		"no key":          {`{"device":"wg0","mtu":1420}`, "uapi"},
		"longer than all": {`{"device":"wg0","mtu":1420,"uapi":"` + strings.Repeat("x", maxConfig), "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Run(context.Background(), strings.NewReader(test.text), io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line with %q", err, test.want)
			}
		})
	}
}

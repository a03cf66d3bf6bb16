package kubernetes

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzParseKubeconfig(f *testing.F) {
	f.Add([]byte(kubeconfigText("https://192.0.2.1:6443", []string{"certificate-authority: ca.crt"}, []string{"token: t"})))
	f.Add([]byte(kubeconfigText("https://[fd00::1]", nil, []string{"client-certificate: a", "client-key: b", "tokenFile: c"})))
	f.Add([]byte(kubeconfigText("https://x", nil, []string{"exec: {command: rm}"})))
	f.Add([]byte("a: &a [*a]\nclusters: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseKubeconfig(data, "/etc/x")
		if err != nil {
			if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b") || len(text) > 4096 {
				t.Errorf("not one line: %q", text)
			}
			return
		}
		if a.server.Scheme != "https" || a.server.Hostname() == "" || a.server.User != nil {
			t.Errorf("server %v", a.server)
		}
		if a.token.none() && a.certificate.none() || a.certificate.none() != a.key.none() {
			t.Errorf("%+v shows nothing", a)
		}
		for _, s := range []source{a.ca, a.certificate, a.key, a.token} {
			if s.file != "" && !strings.HasPrefix(s.file, "/") {
				t.Errorf("a relative path: %q", s.file)
			}
		}
	})
}

func FuzzParseNode(f *testing.F) {
	f.Add([]byte(nodeText("vm-1", "10.42.1.0/24", "fd42:1::/64")))
	f.Add([]byte(nodeText("vm-1")))
	f.Add([]byte(`{"kind":"Status","message":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseNode(data, "vm-1")
		checkParsed(t, list, err)
		if text := statusMessage(data); strings.ContainsAny(text, "\n\r\x1b") || len(text) > 1024 {
			t.Errorf("not one line: %q", text)
		}
	})
}

func FuzzParseStored(f *testing.F) {
	f.Add([]byte(`{"version":1,"node":"vm-1","server":"https://x","pod_cidrs":["10.42.1.0/24"]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseStored(data, "vm-1")
		checkParsed(t, list, err)
	})
}

// checkParsed wants prefixes that are masked, at most one of each family, or one plain line.
func checkParsed(t *testing.T, list []netip.Prefix, err error) {
	if err != nil {
		if text := err.Error(); len(list) > 0 || strings.ContainsAny(text, "\n\r\x1b") || len(text) > 4096 {
			t.Errorf("%v, %q", list, text)
		}
		return
	}
	if len(list) > 2 || len(list) == 2 && list[0].Addr().Is4() == list[1].Addr().Is4() {
		t.Errorf("%v", list)
	}
	for _, p := range list {
		if p != p.Masked() || p.Addr().Is4In6() {
			t.Errorf("%v", p)
		}
	}
}

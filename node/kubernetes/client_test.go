package kubernetes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func TestPodCIDRsComeInTheOrderOfTheNode(t *testing.T) {
	for _, cidrs := range [][]string{{"10.42.1.0/24"}, {"10.42.1.0/24", "fd42:1::/64"}, {"fd42:1::/64", "10.42.1.0/24"}} {
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/api/v1/nodes/vm-1" || r.Header.Get("Authorization") != "Bearer a.b.c" {
				t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
			}
			answering(http.StatusOK, nodeText("vm-1", cidrs...))(w, r)
		})
		file := s.kubeconfig([]string{s.caData()}, []string{"token: a.b.c"})
		c := Client{Machine: machine(nil)}
		got, err := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
		if err != nil || !slices.Equal(got.PodCIDRs, prefixes(cidrs...)) || got.Server != s.URL || got.Origin != file {
			t.Errorf("%v: %+v, %v", cidrs, got, err)
		}
	}
}

// write writes files beside each other and returns their directory.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return dir
}

func TestAClientCertificateIsShownFromDataAndFromFilesThatAreReadAnew(t *testing.T) {
	var seen []string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 1 {
			seen = append(seen, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		answering(http.StatusOK, nodeText("vm-1", "10.42.1.0/24"))(w, r)
	})
	end := time.Now().Add(time.Hour)
	certificate, key := s.ca.sign(t, "system:node:vm-1", end)
	encoded := base64.StdEncoding.EncodeToString
	c := Client{Machine: machine(nil)}
	ask := func(file string) {
		t.Helper()
		_, err := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
		must(t, err)
	}
	ask(s.kubeconfig([]string{s.caData()}, []string{"client-certificate-data: " + encoded(certificate), "client-key-data: " + encoded(key)}))

	dir := write(t, map[string][]byte{"ca.crt": s.ca.pem(), "node.pem": slices.Concat(certificate, key),
		"kubelet.conf": []byte(kubeconfigText(s.URL, []string{"certificate-authority: ca.crt"}, []string{"client-certificate: node.pem", "client-key: node.pem"}))})
	file := filepath.Join(dir, "kubelet.conf")
	ask(file)
	certificate, key = s.ca.sign(t, "renewed", end)
	must(t, os.WriteFile(filepath.Join(dir, "node.pem"), slices.Concat(certificate, key), 0o600))
	ask(file)
	if want := []string{"system:node:vm-1", "system:node:vm-1", "renewed"}; !slices.Equal(seen, want) {
		t.Errorf("the server saw %q, want %q", seen, want)
	}
}

func TestTheServiceAccountsTokenIsReadAnewForEachQuestion(t *testing.T) {
	var seen []string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		answering(http.StatusOK, nodeText("vm-1", "10.42.1.0/24"))(w, r)
	})
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	must(t, err)
	m := machine(map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port})
	m.ServiceAccount = write(t, map[string][]byte{"ca.crt": s.ca.pem(), "token": []byte("first\n")})
	m.Kubeconfigs = []string{s.kubeconfig([]string{s.caData()}, []string{"token: never"})}
	c := Client{Machine: m}
	for _, token := range []string{"first", "second"} {
		must(t, os.WriteFile(filepath.Join(m.ServiceAccount, "token"), []byte(token+"\n"), 0o600))
		answer, err := c.Ask(t.Context(), Query{Node: "vm-1"})
		if err != nil || answer.Origin != "the service account of this pod" {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	if want := []string{"Bearer first", "Bearer second"}; !slices.Equal(seen, want) {
		t.Errorf("the server saw %q, want %q", seen, want)
	}
}

func TestAnAnswerThatIsNotPodCIDRsIsOneLineThatSaysWhatToDo(t *testing.T) {
	status := func(message string) string { return fmt.Sprintf(`{"kind":"Status","message":%q}`, message) }
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    Kind
		says    []string
	}{
		"401":       {answering(401, status("Unauthorized")), Unauthorized, []string{"401: Unauthorized", "kubeconfig", "expired"}},
		"403":       {answering(403, status(`nodes "vm-1" is forbidden`)), Forbidden, []string{`403: nodes "vm-1" is forbidden`, "verb get on nodes"}},
		"404":       {answering(404, status(`nodes "vm-1" not found`)), NoNode, []string{"no such node", "name is from NODE_NAME", "k8s_node"}},
		"404 html":  {answering(404, "<html>nginx</html>"), BadAnswer, []string{"no /api/v1/nodes/vm-1 (404)", "not answer as an API server", "kubeconfig names another"}},
		"500":       {answering(500, "oops"), BadAnswer, []string{"status 500"}},
		"redirect":  {redirecting, BadAnswer, []string{"redirects (307)", "https://elsewhere", "not followed"}},
		"none yet":  {answering(200, nodeText("vm-1")), NoPodCIDRs, []string{"none yet", "--allocate-node-cidrs"}},
		"old":       {answering(200, `{"kind":"Node","apiVersion":"v1","metadata":{"name":"vm-1"},"spec":{"podCIDR":"10.42.1.0"}}`), BadAnswer, []string{`"10.42.1.0" is not a prefix`}},
		"host bits": {answering(200, nodeText("vm-1", "10.42.1.7/24")), BadAnswer, []string{`"10.42.1.7/24"`}},
		"mapped":    {answering(200, nodeText("vm-1", "::ffff:10.42.1.0/120")), BadAnswer, []string{"not a prefix"}},
		"two of 4":  {answering(200, nodeText("vm-1", "10.42.1.0/24", "10.42.2.0/24")), BadAnswer, []string{"more than one of a family"}},
		"another":   {answering(200, nodeText("vm-2", "10.42.1.0/24")), BadAnswer, []string{`about node "vm-2", not vm-1`}},
		"list":      {answering(200, `{"kind":"NodeList","apiVersion":"v1","items":[]}`), BadAnswer, []string{`"NodeList"`}},
		"types":     {answering(200, `{"kind":"Node","apiVersion":"v1","spec":{"podCIDRs":"10.42.1.0/24"}}`), BadAnswer, []string{"not a Node", "podCIDRs"}},
		"html":      {answering(200, "<html>\x1b[31m</html>"), BadAnswer, []string{"not a Node"}},
		"empty":     {answering(200, ""), BadAnswer, []string{"not a Node"}},
		"cut":       {cutting, Unreachable, []string{"before its answer was whole"}},
		"huge":      {answering(200, nodeText("vm-1", "10.42.1.0/24")+strings.Repeat(" ", maxAnswer)), BadAnswer, []string{"more than 4 MiB"}},
		"huge 500":  {answering(500, status(strings.Repeat("x\n", 1<<16))), BadAnswer, []string{"status 500: x x"}},
		"headers":   {shouting, Unreachable, []string{"header"}},
		"slow":      {waiting, Unreachable, []string{"no answer within 200ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, test.handler)
			c := Client{Machine: machine(nil), Patience: 5 * time.Second}
			if name == "slow" {
				c.Patience = 200 * time.Millisecond
			}
			answer, err := c.Ask(t.Context(), Query{Kubeconfig: s.kubeconfig([]string{s.caData()}, []string{"token: t"}), Node: "vm-1", From: "NODE_NAME"})
			if err == nil || KindOf(err) != test.kind || answer.Server != s.URL || len(answer.PodCIDRs) > 0 {
				t.Fatalf("%+v, %v (kind %s, want %s)", answer, err, KindOf(err), test.kind)
			}
			check(t, err, test.says)
		})
	}
}

// check wants an error in one plain line of bounded length that says all of that.
func check(t *testing.T, err error, says []string) {
	t.Helper()
	text := err.Error()
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if lines(text) != 1 || len(text) > 700 || strings.ContainsRune(text, '\x1b') {
		t.Errorf("not one plain line: %q", text)
	}
}

func redirecting(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "https://elsewhere.example"+r.URL.Path, http.StatusTemporaryRedirect)
}

func cutting(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"kind":`))
}

func shouting(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
}

// waiting answers when nobody listens any more.
func waiting(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestAServerThatIsNotTheClustersGetsNoToken(t *testing.T) {
	asked := false
	handler := func(http.ResponseWriter, *http.Request) { asked = true }
	s, expired := newServer(t, handler), newServerUntil(t, time.Now().Add(-time.Hour), handler)
	other := "certificate-authority-data: " + base64.StdEncoding.EncodeToString(newAuthority(t).pem())
	for name, test := range map[string]struct {
		file string
		says string
	}{
		"another CA":   {s.kubeconfig([]string{other}, []string{"token: t"}), "not of the CA"},
		"no CA":        {s.kubeconfig(nil, []string{"token: t"}), "not of the CA"},
		"another name": {s.kubeconfig([]string{s.caData(), "tls-server-name: elsewhere"}, []string{"token: t"}), "elsewhere"},
		"expired":      {expired.kubeconfig([]string{expired.caData()}, []string{"token: t"}), "by this host's clock"},
	} {
		c := Client{Machine: machine(nil)}
		_, err := c.Ask(t.Context(), Query{Kubeconfig: test.file, Node: "vm-1"})
		if err == nil || KindOf(err) != Untrusted {
			t.Fatalf("%s: %v (%s)", name, err, KindOf(err))
		}
		check(t, err, []string{test.says})
	}
	if asked {
		t.Error("a request got through")
	}
}

func TestTheServerNameOfTheKubeconfigIsVerified(t *testing.T) {
	s := newServer(t, answering(200, nodeText("vm-1", "10.42.1.0/24")))
	c := Client{Machine: machine(nil)}
	file := s.kubeconfig([]string{s.caData(), "tls-server-name: kubernetes"}, []string{"token: t"})
	if _, err := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"}); err != nil {
		t.Error(err)
	}
}

func TestNobodyListeningReadsTheSameEachTime(t *testing.T) {
	s := newServer(t, waiting)
	file := s.kubeconfig([]string{s.caData()}, []string{"token: t"})
	s.Close()
	c := Client{Machine: machine(nil)}
	_, first := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
	_, second := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
	if first == nil || second == nil || first.Error() != second.Error() || KindOf(first) != Unreachable {
		t.Fatalf("%v, then %v", first, second)
	}
	check(t, first, []string{"connection refused"})
}

func TestAServerThatEndsTheHandshakeIsNamedAsRefusing(t *testing.T) {
	err := callError(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, &Credentials{Origin: "/etc/kubeconfig"}, time.Second)
	if KindOf(err) != Unauthorized {
		t.Errorf("kind %s", KindOf(err))
	}
	check(t, err, []string{"refuses the connection (tls: certificate required)", "another client certificate than /etc/kubeconfig has"})
}

func TestCAAndTokenThatAreReplacedInPlaceAreReadAnew(t *testing.T) {
	var seen []string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		answering(http.StatusOK, nodeText("vm-1", "10.42.1.0/24"))(w, r)
	})
	dir := write(t, map[string][]byte{"ca.crt": newAuthority(t).pem(), "token": []byte("first"),
		"config": []byte(kubeconfigText(s.URL, []string{"certificate-authority: ./ca.crt"}, []string{"tokenFile: token", "token: never"}))})
	c, q := Client{Machine: machine(nil)}, Query{Kubeconfig: filepath.Join(dir, "config"), Node: "vm-1"}
	if _, err := c.Ask(t.Context(), q); KindOf(err) != Untrusted {
		t.Errorf("with the CA of before: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), s.ca.pem(), 0o600))
	for _, token := range []string{"first", "second"} {
		must(t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
		_, err := c.Ask(t.Context(), q)
		must(t, err)
	}
	if want := []string{"Bearer first", "Bearer second"}; !slices.Equal(seen, want) {
		t.Errorf("the server saw %q, want %q", seen, want)
	}
}

func TestAServerIsCalledAtAnIPv6AddressAndBelowAPath(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 on this host's loopback: %v", err)
	}
	asked := ""
	s := newServerAt(t, l, time.Now().Add(time.Hour), func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		answering(http.StatusOK, nodeText("vm-1", "10.42.1.0/24"))(w, r)
	})
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(file, []byte(kubeconfigText(s.URL+"/k8s/clusters/c-1/", []string{s.caData(), "tls-server-name: kubernetes"}, []string{"token: t"})), 0o600))
	c := Client{Machine: machine(nil)}
	answer, err := c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
	if err != nil || !strings.HasPrefix(answer.Server, "https://[::1]:") || asked != "/k8s/clusters/c-1/api/v1/nodes/vm-1" {
		t.Errorf("%+v, %v: asked for %s", answer, err, asked)
	}
}

func TestAnswersInPlainHTTPAndNoiseAreNamed(t *testing.T) {
	for said, want := range map[string]string{"HTTP/1.0 400 Bad Request\r\n\r\n": "HTTP response to HTTPS client", "SSH-2.0-OpenSSH_9.2\r\n": "does not look like a TLS handshake"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write([]byte(said))
				_, _ = io.Copy(io.Discard, conn) // until the client has gone
				conn.Close()
			}
		}()
		file := filepath.Join(t.TempDir(), "kubeconfig")
		must(t, os.WriteFile(file, []byte(kubeconfigText("https://"+l.Addr().String(), nil, []string{"token: t"})), 0o600))
		c := Client{Machine: machine(nil)}
		_, err = c.Ask(t.Context(), Query{Kubeconfig: file, Node: "vm-1"})
		if KindOf(err) != Unreachable {
			t.Fatalf("%q: %v", said, err)
		}
		check(t, err, []string{want})
		l.Close()
		<-ended
	}
}

package kubernetes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority is a CA that signs certificates for servers and clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{certificate, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// sign makes a certificate, valid until end, for the loopback address and a name.
func (a *authority) sign(t *testing.T, name string, end time.Time) (certificate, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		DNSNames: []string{"kubernetes"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	template.IPAddresses = append(template.IPAddresses, []byte{127, 0, 0, 1})
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, own.Public(), a.key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// apiServer is an API server of a test: TLS with a certificate of its CA, and client certificates of the same CA taken.
type apiServer struct {
	*httptest.Server
	t  *testing.T
	ca *authority
}

func newServer(t *testing.T, handler http.HandlerFunc) *apiServer {
	t.Helper()
	return newServerUntil(t, time.Now().Add(time.Hour), handler)
}

func newServerUntil(t *testing.T, end time.Time, handler http.HandlerFunc) *apiServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return newServerAt(t, l, end, handler)
}

func newServerAt(t *testing.T, l net.Listener, end time.Time, handler http.HandlerFunc) *apiServer {
	t.Helper()
	ca := newAuthority(t)
	certificate, key := ca.sign(t, "kube-apiserver", end)
	pair, err := tls.X509KeyPair(certificate, key)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	s := &apiServer{Server: &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}, t: t, ca: ca}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse the server
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// kubeconfig writes one for the server, with further keys of cluster and user, a line each.
func (s *apiServer) kubeconfig(cluster, user []string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(s.t, os.WriteFile(file, []byte(kubeconfigText(s.URL, cluster, user)), 0o600))
	return file
}

func (s *apiServer) caData() string {
	return "certificate-authority-data: " + base64.StdEncoding.EncodeToString(s.ca.pem())
}

func kubeconfigText(server string, cluster, user []string) string {
	indent := func(lines []string) string { return "    " + strings.Join(lines, "\n    ") + "\n" }
	return "apiVersion: v1\nkind: Config\ncurrent-context: here\npreferences: {}\ncontexts:\n- name: here\n  context: {cluster: c, user: u}\n" +
		"clusters:\n- name: c\n  cluster:\n    server: " + server + "\n" + indent(cluster) + "users:\n- name: u\n  user:\n" + indent(user)
}

// machine is one without environment and files.
func machine(environment map[string]string) Machine {
	return Machine{Getenv: func(key string) string { return environment[key] }, ServiceAccount: "/nonexistent"}
}

// nodeText is a Node as an API server writes it.
func nodeText(name string, podCIDRs ...string) string {
	spec := `"providerID":"k3s://vm-1"`
	if len(podCIDRs) > 0 {
		spec += fmt.Sprintf(`,"podCIDR":%q,"podCIDRs":["%s"]`, podCIDRs[0], strings.Join(podCIDRs, `","`))
	}
	return fmt.Sprintf(`{"kind":"Node","apiVersion":"v1","metadata":{"name":%q,"labels":{"a":"b"}},"spec":{%s},"status":{"phase":"x"}}`, name, spec)
}

// answering is a server's handler that says the same always.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func lines(text string) int { return bytes.Count([]byte(text), []byte("\n")) + 1 }

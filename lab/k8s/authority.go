package k8s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// validFor is how long certificates are: longer than any test, with room for a clock that was wrong.
const validFor = 24 * time.Hour

// authority signs the certificates of a cluster. Its own is DIR/ca.crt.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// newAuthority makes one that keeps certificates and keys in a directory.
func newAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("k8s: make directory: %w", err)
	}
	a := &authority{dir: dir, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: "lab"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("k8s: make key: %w", err)
	}
	return a, a.write("ca", a.cert, a.key)
}

// identity is whom a certificate names.
type identity struct {
	name  string   // the user, or the node
	group string   // of the user; empty: none
	names []string // that a server answers to
	addrs []netip.Addr
}

// issue writes NAME.crt and NAME.key: a certificate for both ends of TLS.
func (a *authority) issue(file string, who identity) error {
	cert := &x509.Certificate{
		Subject: pkix.Name{CommonName: who.name}, DNSNames: who.names,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if who.group != "" {
		cert.Subject.Organization = []string{who.group}
	}
	for _, addr := range who.addrs {
		cert.IPAddresses = append(cert.IPAddresses, addr.AsSlice())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("k8s: make key: %w", err)
	}
	return a.write(file, cert, key)
}

// write signs a certificate, and writes it and its key.
func (a *authority) write(file string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	var err error
	if cert.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return fmt.Errorf("k8s: certificate %s: %w", file, err)
	}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(validFor)
	signed, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("k8s: certificate %s: %w", file, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("k8s: key %s: %w", file, err)
	}
	return errors.Join(writePEM(a.path(file+".crt"), "CERTIFICATE", signed), writePEM(a.path(file+".key"), "PRIVATE KEY", private))
}

func writePEM(path, kind string, raw []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600)
}

// path is a file of the authority's directory.
func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// kubeconfig issues a user's certificate and writes NAME.kubeconfig, with which the user reaches the server. It returns the path.
func (a *authority) kubeconfig(file, server string, who identity) (string, error) {
	if err := a.issue(file, who); err != nil {
		return "", err
	}
	path := a.path(file + ".kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: user, user: {client-certificate: %q, client-key: %q}}]
contexts: [{name: lab, context: {cluster: lab, user: user}}]
current-context: lab
`, server, a.path("ca.crt"), a.path(file+".crt"), a.path(file+".key"))
	return path, os.WriteFile(path, []byte(text), 0o600)
}

package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weftnet/weft/atomicfile"
)

// maxFile bounds each file that is read: far more than a kubeconfig with embedded certificates has.
const maxFile = 1 << 20

// access is how a server is to be called, with what may still be in files.
type access struct {
	server      *url.URL
	serverName  string // that the server's certificate must be for; empty: the host of server
	ca          source // none: those that the system trusts
	certificate source
	key         source
	token       source
}

// source is a text, or the file that has it. The zero value is none.
type source struct {
	data []byte
	file string
}

func (s source) none() bool { return len(s.data) == 0 && s.file == "" }

func (s source) read() ([]byte, error) {
	if s.file == "" {
		return s.data, nil
	}
	data, _, err := atomicfile.Read(s.file, maxFile)
	return data, err
}

// Credentials are all that a call takes.
type Credentials struct {
	Origin string   // "/etc/kubernetes/kubelet.conf", or "the service account of this pod"
	Server *url.URL // https

	tls   *tls.Config
	token string // empty: none
}

// load reads the files.
func (a *access) load(origin string) (*Credentials, error) {
	c := &Credentials{Origin: origin, Server: a.server, tls: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.serverName}}
	if err := a.loadCA(c.tls); err != nil {
		return nil, err
	}
	if err := a.loadCertificate(c.tls); err != nil {
		return nil, err
	}
	token, err := a.token.read()
	if err != nil {
		return nil, err
	}
	c.token = strings.TrimSpace(string(token))
	if strings.ContainsFunc(c.token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("%sthe token is not one line of ASCII", a.token.place())
	}
	if c.token == "" && !a.token.none() {
		return nil, fmt.Errorf("%sthe token is empty", a.token.place())
	}
	return c, nil
}

// place begins an error about what a file holds.
func (s source) place() string {
	if s.file == "" {
		return ""
	}
	return s.file + ": "
}

func (a *access) loadCA(into *tls.Config) error {
	if a.ca.none() {
		return nil
	}
	pem, err := a.ca.read()
	if err != nil {
		return err
	}
	into.RootCAs = x509.NewCertPool()
	if !into.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New(a.ca.place() + "the certificate-authority holds no certificate in PEM")
	}
	return nil
}

func (a *access) loadCertificate(into *tls.Config) error {
	if a.certificate.none() {
		return nil
	}
	certificate, err := a.certificate.read()
	if err != nil {
		return err
	}
	key, err := a.key.read()
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("%sclient-certificate and client-key cannot be used: %s", a.certificate.place(), plain(strings.TrimPrefix(err.Error(), "tls: ")))
	}
	into.Certificates = []tls.Certificate{pair}
	return nil
}

package kubernetes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeconfig has the keys of a kubeconfig that matter here (the type Config of k8s.io/client-go/tools/clientcmd/api/v1). Others
// are passed over, as kubectl does, but for those in refusal: a connection without what they say would be another one than was meant.
type kubeconfig struct {
	CurrentContext string `yaml:"current-context"`
	Clusters       []struct {
		Name    string  `yaml:"name"`
		Cluster cluster `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User user   `yaml:"user"`
	} `yaml:"users"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
}

type cluster struct {
	Server     string `yaml:"server"`
	ServerName string `yaml:"tls-server-name"`
	Insecure   bool   `yaml:"insecure-skip-tls-verify"`
	CAFile     string `yaml:"certificate-authority"`
	CA         string `yaml:"certificate-authority-data"`
	ProxyURL   string `yaml:"proxy-url"`
}

type user struct {
	CertificateFile string    `yaml:"client-certificate"`
	Certificate     string    `yaml:"client-certificate-data"`
	KeyFile         string    `yaml:"client-key"`
	Key             string    `yaml:"client-key-data"`
	Token           string    `yaml:"token"`
	TokenFile       string    `yaml:"tokenFile"`
	As              string    `yaml:"as"`
	Username        string    `yaml:"username"`
	Password        string    `yaml:"password"`
	Exec            yaml.Node `yaml:"exec"`
	AuthProvider    yaml.Node `yaml:"auth-provider"`
}

// parseKubeconfig reads a kubeconfig. Paths in it are relative to dir. It reads no other file.
func parseKubeconfig(data []byte, dir string) (*access, error) {
	var k kubeconfig
	if err := yaml.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("not a kubeconfig: %s", plain(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	c, u, err := k.current()
	if err != nil {
		return nil, err
	}
	if err := refusal(c, u); err != nil {
		return nil, err
	}
	server, err := parseServer(c.Server)
	if err != nil {
		return nil, err
	}
	a := &access{server: server, serverName: c.ServerName}
	a.ca, err = sourceOf("certificate-authority", c.CA, c.CAFile, dir)
	if err != nil {
		return nil, err
	}
	return a, a.takeUser(u, dir)
}

// current are cluster and user of the current context.
func (k *kubeconfig) current() (*cluster, *user, error) {
	if k.CurrentContext == "" {
		return nil, nil, errors.New("not a kubeconfig that can be used: it has no current-context")
	}
	for _, c := range k.Contexts {
		if c.Name != k.CurrentContext {
			continue
		}
		cluster := k.cluster(c.Context.Cluster)
		user := k.user(c.Context.User)
		switch {
		case cluster == nil:
			return nil, nil, fmt.Errorf("its context %q is of cluster %q, which is not in it", plain(c.Name), plain(c.Context.Cluster))
		case user == nil:
			return nil, nil, fmt.Errorf("its context %q is of user %q, which is not in it", plain(c.Name), plain(c.Context.User))
		}
		return cluster, user, nil
	}
	return nil, nil, fmt.Errorf("its current-context is %q, which is not in it", plain(k.CurrentContext))
}

func (k *kubeconfig) cluster(name string) *cluster {
	for i := range k.Clusters {
		if k.Clusters[i].Name == name {
			return &k.Clusters[i].Cluster
		}
	}
	return nil
}

func (k *kubeconfig) user(name string) *user {
	for i := range k.Users {
		if k.Users[i].Name == name {
			return &k.Users[i].User
		}
	}
	return nil
}

// refusal says which wish of a kubeconfig is not granted, or nil.
func refusal(c *cluster, u *user) error {
	switch {
	case c.Insecure:
		return errors.New("it says insecure-skip-tls-verify: weft verifies the server's certificate always: give it certificate-authority-data instead")
	case c.ProxyURL != "":
		return errors.New("it says proxy-url: weft calls the server straight: use a kubeconfig without it")
	case !u.Exec.IsZero():
		return errors.New("its user has an exec plugin: weft runs no programs for credentials: use a kubeconfig with a token or a client certificate")
	case !u.AuthProvider.IsZero():
		return errors.New("its user has an auth-provider, which weft does not know: use a kubeconfig with a token or a client certificate")
	case u.Username != "" || u.Password != "":
		return errors.New("its user has a name and a password, which API servers take no more: use a kubeconfig with a token or a client certificate")
	case u.As != "":
		return errors.New("its user acts as another one (as): use a kubeconfig with credentials of its own")
	}
	return nil
}

// parseServer is the URL of an API server. It may have a path: those behind a gateway do.
func parseServer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, fmt.Errorf("its server %q is not a URL such as https://192.0.2.1:6443", plain(text))
	case u.Scheme != "https":
		return nil, fmt.Errorf("its server %s is not https: credentials are sent over TLS alone", plain(u.Redacted()))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("its server %s has more than host, port and path", plain(u.Redacted()))
	}
	return u, nil
}

// takeUser takes what the node shows of itself. A tokenFile comes before a token, as with kubectl.
func (a *access) takeUser(u *user, dir string) (err error) {
	if a.certificate, err = sourceOf("client-certificate", u.Certificate, u.CertificateFile, dir); err != nil {
		return err
	}
	if a.key, err = sourceOf("client-key", u.Key, u.KeyFile, dir); err != nil {
		return err
	}
	a.token = source{data: []byte(u.Token)}
	if u.TokenFile != "" {
		a.token = source{file: absolute(u.TokenFile, dir)}
	}
	switch {
	case a.certificate.none() != a.key.none():
		return errors.New("its user has one of client-certificate and client-key: it takes both")
	case a.certificate.none() && a.token.none():
		return errors.New("its user has neither a client certificate nor a token")
	}
	return nil
}

// sourceOf is a key that may be in the kubeconfig itself, as base64, which comes first, or in a file.
func sourceOf(key, data, file, dir string) (source, error) {
	if data != "" {
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return source{}, fmt.Errorf("its %s-data is not base64", key)
		}
		return source{data: raw}, nil
	}
	if file != "" {
		return source{file: absolute(file, dir)}, nil
	}
	return source{}, nil
}

func absolute(file, dir string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAKubeconfigThatCannotBeUsedIsRefusedInOneLine(t *testing.T) {
	token := []string{"token: t"}
	server := "https://192.0.2.1:6443"
	for name, test := range map[string]struct {
		text string
		says string
	}{
		"exec":        {kubeconfigText(server, nil, []string{"exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}"}), "exec plugin"},
		"provider":    {kubeconfigText(server, nil, []string{"auth-provider: {name: oidc}"}), "auth-provider"},
		"password":    {kubeconfigText(server, nil, []string{"username: admin", "password: x"}), "password"},
		"as":          {kubeconfigText(server, nil, []string{"token: t", "as: somebody"}), "acts as another"},
		"insecure":    {kubeconfigText(server, []string{"insecure-skip-tls-verify: true"}, token), "insecure-skip-tls-verify"},
		"proxy":       {kubeconfigText(server, []string{"proxy-url: http://192.0.2.9:3128"}, token), "proxy-url"},
		"http":        {kubeconfigText("http://192.0.2.1:8080", nil, token), "not https"},
		"no server":   {kubeconfigText(`""`, nil, token), "not a URL"},
		"user in URL": {kubeconfigText("https://a:secret@192.0.2.1", nil, token), "more than host"},
		"nothing":     {kubeconfigText(server, nil, []string{"token: ''"}), "neither a client certificate nor a token"},
		"half":        {kubeconfigText(server, nil, []string{"client-key: /k"}), "it takes both"},
		"CA data":     {kubeconfigText(server, []string{"certificate-authority-data: '%%'"}, token), "not base64"},
		"CA":          {kubeconfigText(server, []string{"certificate-authority-data: eA=="}, token), "no certificate in PEM"},
		"CA file":     {kubeconfigText(server, []string{"certificate-authority: missing.crt"}, token), "missing.crt: no such file"},
		"pair":        {kubeconfigText(server, nil, []string{"client-certificate-data: eA==", "client-key-data: eA=="}), "cannot be used"},
		"token":       {kubeconfigText(server, nil, []string{`token: "a\nb"`}), "one line of ASCII"},
		"empty token": {kubeconfigText(server, nil, []string{`token: " "`}), "token is empty"},
		"context":     {"apiVersion: v1\nkind: Config\n", "no current-context"},
		"context 2":   {"current-context: x\n", `current-context is "x"`},
		"cluster":     {"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n", `cluster "c", which is not in it`},
		"user":        {"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c}]\n", `user "u", which is not in it`},
		"not YAML":    {"\tx: {", "not a kubeconfig"},
		"not a map":   {"- a\n- b\n", "not a kubeconfig"},
		"types":       {"clusters: 7\nusers: [1]\n", "not a kubeconfig"},
		"empty":       {"", "no current-context"},
		"endless":     {strings.Repeat("#", maxFile+1), "more than"},
	} {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		must(t, os.WriteFile(file, []byte(test.text), 0o600))
		_, err := machine(nil).Credentials(file)
		if err == nil || KindOf(err) != NoCredentials {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check(t, err, []string{file, test.says})
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %q", name, err)
		}
	}
}

func TestCredentialsAreLookedForInOrder(t *testing.T) {
	s := newServer(t, answering(200, ""))
	own := func() string { return s.kubeconfig([]string{s.caData()}, []string{"token: t"}) }
	named, environment, first, second := own(), own(), own(), own()
	account := write(t, map[string][]byte{"ca.crt": s.ca.pem(), "token": []byte("t")})
	pod := map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
	with := map[string]string{"KUBECONFIG": environment, "KUBERNETES_SERVICE_HOST": "10.43.0.1", "KUBERNETES_SERVICE_PORT": "443"}
	for _, test := range []struct {
		named       string
		environment map[string]string
		account     string
		kubeconfigs []string
		want        string
	}{
		{named, with, account, []string{first}, named},
		{"", with, account, []string{first}, environment},
		{"", pod, account, []string{first}, "the service account of this pod"},
		{"", pod, "/nonexistent", []string{first}, first},
		{"", nil, account, []string{"/nonexistent", first, second}, first},
	} {
		m := machine(test.environment)
		m.ServiceAccount, m.Kubeconfigs = test.account, test.kubeconfigs
		c, err := m.Credentials(test.named)
		if err != nil || c.Origin != test.want {
			t.Errorf("%+v: %v, %v", test, c, err)
		}
	}
	m := machine(nil)
	m.Kubeconfigs = []string{"/nonexistent/a", "/nonexistent/b"}
	_, err := m.Credentials("")
	check(t, err, []string{"/nonexistent/a, /nonexistent/b", "this is no pod", "key kubeconfig"})
	_, err = m.Credentials("/nonexistent/c")
	check(t, err, []string{"/nonexistent/c: no such file"})
	_, err = machine(map[string]string{"KUBECONFIG": "/a:/b"}).Credentials("")
	check(t, err, []string{"names 2 files"})
}

// The kubelet's own come before an administrator's, which may do everything.
func TestThisMachinesKubeconfigsAreThoseOfItsKubeletFirst(t *testing.T) {
	want := []string{"/etc/kubernetes/kubelet.conf", "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
		"/var/lib/rancher/rke2/agent/kubelet.kubeconfig", "/etc/rancher/k3s/k3s.yaml"}
	if got := ThisMachine().Kubeconfigs; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTheServiceAccountOfAPodIsCalledAtTheServicesAddress(t *testing.T) {
	ca := newAuthority(t)
	for host, want := range map[string]string{"10.43.0.1": "https://10.43.0.1:443", "fd00::1": "https://[fd00::1]:443"} {
		m := machine(map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"})
		m.ServiceAccount = write(t, map[string][]byte{"ca.crt": ca.pem(), "token": []byte("t")})
		c, err := m.Credentials("")
		if err != nil || c.Server.String() != want {
			t.Errorf("%s: %v, %v", host, c, err)
		}
		must(t, os.Remove(filepath.Join(m.ServiceAccount, "ca.crt")))
		_, err = m.Credentials("")
		check(t, err, []string{"service account", "ca.crt"})
	}
}

func TestANodesNameIsWhatKubernetesTakes(t *testing.T) {
	for name, ok := range map[string]bool{
		"vm-1": true, "vm-1.example.org": true, "10.0.0.1": true, "": false, "VM-1": false, "a/b": false, "..": false, "a_b": false,
		"-a": false, "a-": false, "a..b": false, strings.Repeat("a", 253): true, strings.Repeat("a", 254): false, "a\n": false,
	} {
		if err := CheckNodeName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	environment := func(string) string { return "from-env" }
	none := func(string) string { return "" }
	for _, test := range []struct {
		key    string
		getenv func(string) string
		want   []string
	}{
		{"key", environment, []string{"key", "k8s_node"}},
		{"", environment, []string{"from-env", "NODE_NAME"}},
		{"", none, []string{"vm-1", "name"}},
	} {
		name, from := NodeName(test.key, "VM-1", test.getenv)
		if got := []string{name, from}; !slices.Equal(got, test.want) {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

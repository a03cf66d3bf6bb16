// Package kubernetes asks the API server of a Kubernetes cluster which subnets it gave to this node: spec.podCIDRs, by one
// authenticated GET of /api/v1/nodes/NAME.
//
// Words. Credentials are where the server is, the CA that its certificate must be of, and what the node shows: a client certificate,
// a token or both. Their origin is the kubeconfig that they are from, or the service account of the pod that weft runs in. A Query is
// what is asked for, an Answer what came of it. The Follower asks again and again: soon while there is no answer, seldom later.
//
// Ownership. A Client and a Follower's Report and Wake may be used from many goroutines; Run runs once.
//
// Always. The server's certificate is verified. No program is run to get credentials, no proxy is used, no redirect is followed, and
// what is read from files and from the server has a bounded size. Files are read anew for each question, since tokens and
// certificates are renewed in place.
package kubernetes

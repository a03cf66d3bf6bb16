// Package trust holds what nodes recognise each other by: the cluster secret and the keys made from it, and each node's
// own identity.
//
// Words. The secret is 32 random bytes that all nodes of a cluster share; it is never used raw. Keys are what HKDF makes
// of it, one for each purpose. An Identity is a node's own key pairs: X25519 for handshakes, Ed25519 for claims. A
// Fingerprint is SHA-256 of both public keys; it is the node's identity everywhere, its name is only a label. A BootNonce
// is drawn once per start of the daemon, so that one identity running twice can be told from a restart.
//
// Always. Private keys and the secret are never printed, logged or put into an error. Files with keys are written with
// mode 0600 and atomically.
package trust

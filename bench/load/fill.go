package load

import "math/rand/v2"

const maxDatagram = 65507 // bytes of UDP payload over IPv4: 65535 - 20 - 8

// fill writes bytes that do not compress, the same every time.
func fill(b []byte) {
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b) // never fails
}

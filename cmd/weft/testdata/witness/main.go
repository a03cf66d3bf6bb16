// Command witness is what the tests run in containers: it answers UDP datagrams to port 7000 with the address that they came
// from, and says as what the addresses of its command line see it, and which MTU its interface has. With the
// argument stop it ends at once.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "stop" { // only to see whether it starts
		return
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: 7000})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if eth0, err := net.InterfaceByName("eth0"); err == nil {
		fmt.Println("mtu", eth0.MTU)
	}
	for _, to := range os.Args[1:] {
		go ask(to)
	}
	buf := make([]byte, 2048)
	for {
		_, from, err := conn.ReadFromUDPAddrPort(buf)
		if err == nil {
			_, _ = conn.WriteToUDPAddrPort([]byte(from.Addr().Unmap().String()), from)
		}
	}
}

// ask sends until it is answered.
func ask(to string) {
	for buf := make([]byte, 100); ; {
		conn, err := net.Dial("udp", net.JoinHostPort(to, "7000"))
		if err != nil {
			continue
		}
		_, _ = conn.Write([]byte("who am I?"))
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := conn.Read(buf)
		conn.Close()
		if err == nil {
			fmt.Println(to, "sees", string(buf[:n]))
			return
		}
	}
}

package wireguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// ErrGone is a device that ended by itself, for example because somebody removed its interface.
var ErrGone = errors.New("wireguard: the device is gone")

// Run reads a Config from stdin, makes the device, writes Ready to stdout and forwards packets until ctx ends; then the
// interface is removed and Run returns nil. It needs CAP_NET_ADMIN and /dev/net/tun. All of the process has to be in the
// network namespace of the device, because wireguard-go opens its sockets on whatever thread it runs.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	c, err := readConfig(stdin)
	if err != nil {
		return err
	}
	dev, err := open(c)
	if err != nil {
		return err
	}
	defer dev.Close()
	if _, err := fmt.Fprintln(stdout, Ready); err != nil {
		return fmt.Errorf("wireguard: say that %s is up: %w", c.Device, err)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-dev.Wait():
		return fmt.Errorf("%w: %s", ErrGone, c.Device)
	}
}

// open makes the TUN device and brings WireGuard up on it.
func open(c Config) (*device.Device, error) {
	t, err := tun.CreateTUN(c.Device, c.MTU)
	if err != nil {
		return nil, fmt.Errorf("wireguard: make %s: %w", c.Device, err)
	}
	dev := device.NewDevice(t, conn.NewDefaultBind(), logger())
	if err := dev.IpcSet(c.UAPI); err != nil {
		dev.Close()
		return nil, fmt.Errorf("wireguard: configure %s: %w", c.Device, err)
	}
	if err := dev.Up(); err != nil {
		dev.Close()
		return nil, fmt.Errorf("wireguard: bring %s up: %w", c.Device, err)
	}
	return dev, nil
}

// logger passes on what upstream calls an error; its own writes to standard output.
func logger() *device.Logger {
	return &device.Logger{
		Verbosef: device.DiscardLogf,
		Errorf: func(format string, args ...any) {
			slog.Error("bench.wireguard.failed", "error", fmt.Sprintf(format, args...))
		},
	}
}

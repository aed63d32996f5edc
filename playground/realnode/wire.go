package realnode

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const bridgeName = "nodes"

// bridgeMAC is fixed: a bridge's own address changes with its ports otherwise, and what the nodes know of it is wrong
// for a while.
var bridgeMAC = net.HardwareAddr{0x02, 0x00, 10, 137, 0, 1}

// MakeNetwork gives the calling thread, and all that is forked from it, a network namespace that has no way out: loopback,
// and a bridge for the nodes. The caller has locked its thread.
func MakeNetwork(nodes int) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.HardwareAddr = bridgeName, bridgeMAC
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	if err := addAddress(bridge, Gateway().String()); err != nil {
		return err
	}
	for i := range nodes { // the API server reaches webhooks in pods
		if err := addRoute(PodRange(i).String(), Address(i).String()); err != nil {
			return err
		}
	}
	return nil
}

// Plug connects the node whose process 1 has this pid with the bridge. It is called where the bridge is.
func Plug(index, pid int) error {
	if err := Unplug(index); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("finding the bridge: %w", err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MasterIndex, attributes.Flags = portName(index), bridge.Attrs().Index, net.FlagUp
	cable := &netlink.Veth{LinkAttrs: attributes, PeerName: nodeLink, PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("connecting node %d: %w", index, err)
	}
	return nil
}

// Unplug removes the node's cable. After the end of a node the kernel removes it too, but takes its time.
func Unplug(index int) error {
	link, err := netlink.LinkByName(portName(index))
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("disconnecting node %d: %w", index, err)
	}
	return nil
}

// SetLink cuts the node's cable, or mends it. On the node everything stays as it is: packets are lost, no connection is
// told.
func SetLink(index int, up bool) error {
	link, err := netlink.LinkByName(portName(index))
	if err != nil {
		return fmt.Errorf("finding the cable of node %d: %w", index, err)
	}
	set := netlink.LinkSetDown
	if up {
		set = netlink.LinkSetUp
	}
	if err := set(link); err != nil {
		return fmt.Errorf("switching the cable of node %d: %w", index, err)
	}
	return nil
}

func portName(index int) string { return fmt.Sprintf("node%d", index) }

func loopbackUp() error {
	loopback, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(loopback)
	}
	if err != nil {
		return fmt.Errorf("bringing loopback up: %w", err)
	}
	return nil
}

// addAddress gives the link an address on the network of the bridge, and brings it up.
func addAddress(link netlink.Link, address string) error {
	parsed, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", address, bridgePrefixLen))
	if err == nil {
		err = netlink.AddrAdd(link, parsed)
	}
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("giving %s the address %s: %w", link.Attrs().Name, address, err)
	}
	return nil
}

func addRoute(to, via string) error {
	_, destination, err := net.ParseCIDR(to)
	if err == nil {
		err = netlink.RouteReplace(&netlink.Route{Dst: destination, Gw: net.ParseIP(via)})
	}
	if err != nil {
		return fmt.Errorf("routing %s via %s: %w", to, via, err)
	}
	return nil
}

// joinNetwork sets up the node's side. There is no default route: what is neither a pod nor a Service nor a node has no
// way. Service addresses are rewritten by kube-proxy before they leave, but the kernel wants a route for them first.
func (c Config) joinNetwork(link netlink.Link) error {
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := addAddress(link, Address(c.Index).String()); err != nil {
		return err
	}
	if err := addRoute(c.ServiceRange, Gateway().String()); err != nil {
		return err
	}
	for i := range c.Count {
		if i == c.Index {
			continue
		}
		if err := addRoute(PodRange(i).String(), Address(i).String()); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("letting the node forward packets: %w", err)
	}
	return nil
}

// nodeLink is the node's only way to others.
const nodeLink = "eth0"

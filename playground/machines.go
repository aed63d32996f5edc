package playground

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/shoal-dev/shoal/playground/control"
	"github.com/shoal-dev/shoal/playground/process"
	"github.com/shoal-dev/shoal/playground/realnode"
)

// What can be done to the machine of a real node, by whoever keeps the cluster: it alone has the cables and the processes
// of the nodes. Others ask it on its control socket. None of this tells the API server anything.

// breakOrder and mendOrder are the orders: POST, and the node's name.
const (
	breakOrder = "/machines/break/"
	mendOrder  = "/machines/mend/"
)

// takeOrders serves the control socket until the cluster stops.
func (c *Cluster) takeOrders(ctx context.Context) error {
	ctx, c.stopOrders = context.WithCancel(context.WithoutCancel(ctx))
	mux := http.NewServeMux()
	mux.Handle("POST "+breakOrder+"{node}/{fault}", control.Handle(func(r *http.Request) error {
		return c.breakMachine(r.Context(), r.PathValue("node"), Fault(r.PathValue("fault")))
	}))
	mux.Handle("POST "+mendOrder+"{node}", control.Handle(func(r *http.Request) error {
		return c.mendMachine(r.Context(), r.PathValue("node"))
	}))
	go func() {
		if err := control.Serve(ctx, c.layout.control(), mux); err != nil {
			fmt.Fprintln(c.options.Progress, err) // the cluster goes on; who gives an order is told that nobody answers
		}
	}()
	return nil
}

// order carries an order out, or asks whoever can.
func (c *Cluster) order(ctx context.Context, order string, do func() error) error {
	if c.supervisor != nil {
		return do()
	}
	return control.Call(ctx, c.layout.control(), http.MethodPost, order, nil)
}

// breakMachine does to the node's machine what the fault is, and records it.
func (c *Cluster) breakMachine(ctx context.Context, name string, fault Fault) error {
	c.machines.Lock()
	defer c.machines.Unlock()
	index, err := c.realIndex(name)
	if err != nil {
		return err
	}
	if c.machineFault(index).isOff() {
		c.noteFault(index, fault) // a machine that is off cannot get worse: only what is known of it changes
		return nil
	}
	dir := c.layout.node(name)
	switch fault {
	case Unreachable:
		err = c.supervisor.Inside(func() error { return realnode.SetLink(index, false) })
	case KubeletStop:
		err = realnode.Order(ctx, dir, realnode.StopKubelet, nil)
	case Disk:
		err = realnode.Order(ctx, dir, realnode.FailDisk, nil)
	case PowerOff, OutOfService, Deleted:
		err = c.powerOff(ctx, index)
	}
	if err == nil {
		c.noteFault(index, fault)
	}
	return err
}

// powerOff kills everything on the node. Its cgroups go too, as on a machine whose memory is gone.
func (c *Cluster) powerOff(ctx context.Context, index int) error {
	name := realName(index)
	if err := c.supervisor.Kill(ctx, name); err != nil {
		return err
	}
	return removeCgroup(ctx, c.layout.cgroup()+"/"+name)
}

// mendMachine undoes the fault. A file system that has failed can only be mounted anew when nobody uses it any more, and
// the one sure way to that is what an administrator does too: start the machine again.
func (c *Cluster) mendMachine(ctx context.Context, name string) error {
	c.machines.Lock()
	defer c.machines.Unlock()
	index, err := c.realIndex(name)
	if err != nil {
		return err
	}
	switch fault := c.machineFault(index); {
	case fault == Disk || fault.isOff():
		err = c.restart(ctx, index)
	case fault != "":
		if err = c.supervisor.Inside(func() error { return realnode.SetLink(index, true) }); err == nil {
			err = realnode.Order(ctx, c.layout.node(name), realnode.StartKubelet, nil)
		}
	}
	if err == nil {
		c.noteFault(index, "")
	}
	return err
}

func (c *Cluster) restart(ctx context.Context, index int) error {
	if err := c.powerOff(ctx, index); err != nil {
		return err
	}
	return c.powerOn(index)
}

func (c *Cluster) realIndex(name string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	index := slices.IndexFunc(c.state.RealNodes, func(node RealNode) bool { return node.Name == name })
	if index < 0 {
		return 0, fmt.Errorf("node %s is not a real one", name)
	}
	return index, nil
}

func (c *Cluster) machineFault(index int) Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.RealNodes[index].Fault
}

func (c *Cluster) noteFault(index int, fault Fault) {
	c.mu.Lock()
	c.state.RealNodes[index].Fault = fault
	c.mu.Unlock()
	c.record(c.supervisor.Statuses())
}

// LoadImages gives all real nodes that are on the images of an archive. It reads the archive once for each node.
func (c *Cluster) LoadImages(ctx context.Context, open func() (io.ReadCloser, error)) error {
	nodes, err := c.RealNodes()
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		return fmt.Errorf("there are no real nodes: run 'playground up --real-nodes 3', simulated nodes need no images")
	}
	for _, node := range nodes {
		if node.Fault.isOff() {
			continue
		}
		archive, err := open()
		if err != nil {
			return err
		}
		err = realnode.Order(ctx, c.layout.node(node.Name), realnode.LoadImage, archive)
		_ = archive.Close()
		if err != nil {
			return fmt.Errorf("loading an image on %s: %w", node.Name, err)
		}
	}
	return nil
}

// RealNodes are the real nodes and their faults, as they are now.
func (c *Cluster) RealNodes() ([]RealNode, error) {
	if c.supervisor != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.Clone(c.state.RealNodes), nil
	}
	state, err := c.layout.readState()
	return state.RealNodes, err
}

// NodeProcess is process 1 of a real node. It is an error if the node is off.
func (c *Cluster) NodeProcess(name string) (process.Identity, error) {
	node, found, err := c.realNode(name)
	switch {
	case err != nil:
		return process.Identity{}, err
	case !found:
		return process.Identity{}, fmt.Errorf("node %s is not a real one: nothing runs there to look into", name)
	case node.Fault.isOff():
		return process.Identity{}, fmt.Errorf("node %s is off: 'playground node recover %s' starts it", name, name)
	}
	status, err := c.Process(name)
	if err != nil {
		return process.Identity{}, fmt.Errorf("finding the processes of node %s: %w", name, err)
	}
	return status.Process, nil
}

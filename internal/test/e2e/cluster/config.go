package cluster

import (
	"os"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

const (
	// Without this option etcd waits for the disk at every write. The data need not survive a power failure.
	fastEtcd = `kind: ClusterConfiguration
etcd:
  local:
    extraArgs:
    - name: unsafe-no-fsync
      value: "true"
`
	// Processor time is scarcer than memory.
	lessCollecting = `kind: ClusterConfiguration
apiServer:
  extraEnvs: &gc
  - name: GOGC
    value: "400"
controllerManager:
  extraEnvs: *gc
etcd:
  local:
    extraEnvs: *gc
`
	// Since 1.35, the kubelet rejects cgroup v1 by default.
	cgroupV1 = `kind: KubeletConfiguration
failCgroupV1: false
`
)

// config returns the configuration of one node, with its API server on a port of loopback; with 0, kind chooses the port.
func config(image string, port int32) *v1alpha4.Cluster {
	c := &v1alpha4.Cluster{
		Networking:           v1alpha4.Networking{APIServerPort: port},
		Nodes:                []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole, Image: image}},
		KubeadmConfigPatches: []string{fastEtcd, lessCollecting},
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		c.KubeadmConfigPatches = append(c.KubeadmConfigPatches, cgroupV1)
	}
	return c
}

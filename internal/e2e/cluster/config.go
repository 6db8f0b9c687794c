package cluster

import (
	"os"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

const (
	// etcd waits for the disk at every write otherwise, and nobody needs this data after a power cut.
	fastEtcd = `kind: ClusterConfiguration
etcd:
  local:
    extraArgs:
    - name: unsafe-no-fsync
      value: "true"
`
	// One node has memory enough, and processor time is what it lacks.
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
	// From 1.35 on the kubelet refuses cgroup v1 unless told.
	cgroupV1 = `kind: KubeletConfiguration
failCgroupV1: false
`
)

// config is one node of image, with its API server at a port of loopback; 0 lets kind choose.
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

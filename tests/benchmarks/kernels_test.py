"""Counts that are read from XLA's texts of a program."""

from benchmarks import kernels

LOOP = """\
000: kCommandBuffer [source | sink]
    001: kCopy         [source       | next=004 (3)] kCopy
    002: kWhile        [prev=001 (1) | next=009 (1)]
condition:
        003: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1]
      body:
        004: kConvolution  [source       | next=007 (1)] kConvolution
        005: kWhile        [source       | sink        ]
condition:
            006: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1]
          body:
            007: kCustomKernel [source | sink] loop_add_fusion grid: [1, 1, 1]
        008: kCustomKernel [prev=006 (1) | next=008 (1)] loop_maximum_fusion grid: [9, 1, 1]
    009: kCustomKernel [prev=004 (1) | sink        ] input_transpose_fusion grid: [16, 1, 1]
"""
FRAGMENTS = """\
000: kCommandBuffer [source       | next=003 (1) ]
    001: kCustomKernel [source       | sink        ] loop_select_fusion_7 grid: [1, 1, 1]
    002: kCopy         [source       | sink        ] kCopy
003: kConvolution   [prev=000 (1) | next=000 (1) ] kConvolution
000: kCommandBuffer [prev=003 (1) | sink         ]
    004: kCustomKernel [source       | sink        ] loop_add_fusion_16 grid: [1, 1, 1]
"""


def test_a_loop_in_a_graph_is_one_launch_and_its_body_the_step():
    found = kernels.launches(kernels.thunks(LOOP), 32)
    assert found['host_launches'] == found['graphs'] == 1 and found['outside'] == {}
    assert found['kernels'] == {'kConvolution': 1, 'kCustomKernel': 1, 'kWhile': 1}
    assert found['inner'] == 1


def test_a_loop_outside_of_a_graph_launches_its_condition_and_body_each_time():
    text = LOOP.replace('000: kCommandBuffer [source | sink]\n', '')
    found = kernels.launches(kernels.thunks(text), 10)
    # the inner loop is taken to make as many turns
    assert found['host_launches'] == 1 + 10 * (1 + 1 + 10 * 2 + 1) + 1
    assert found['outside'] == {'kCopy': 1, 'kWhile': 2, 'kCustomKernel': 5, 'kConvolution': 1}


def test_without_a_loop_all_is_the_step():
    found = kernels.launches(kernels.thunks(FRAGMENTS), 1)
    assert found['kernels'] == {'kCustomKernel': 2, 'kCopy': 1, 'kConvolution': 1}
    assert found['host_launches'] == 3 and found['graphs'] == 2
    assert found['outside'] == {'kConvolution': 1}


HLO = """\
HloModule jit_run

%fused_computation (param_0: f32[4,2]) -> f32[2,4] {
  %param_0 = f32[4,2]{1,0} parameter(0)
  ROOT %transpose.1 = f32[2,4]{1,0} transpose(%param_0), dimensions={1,0}
}

%fused_add (param_0: f32[4,2]) -> f32[4,2] {
  %param_0 = f32[4,2]{1,0} parameter(0)
  ROOT %add.1 = f32[4,2]{1,0} add(%param_0, %param_0)
}

%body (arg: (s32[], f32[4,2])) -> (s32[], f32[4,2]) {
  %wrapped_transpose = f32[2,4]{1,0} fusion(%x), kind=kInput, calls=%fused_computation
  %loop_add_fusion = f32[4,2]{1,0} fusion(%x), kind=kLoop, calls=%fused_add
  %copy.1 = f32[8]{0} copy(%y)
  %cudnn-conv.1 = (f32[2,2,2,2]{3,2,1,0}, u8[0]{0}) custom-call(%a, %b), window={size=4x4}, \
custom_call_target="__cudnn$convBackwardFilter", metadata={op_name="jit(run)/conv_corr/conv"}
  %cudnn-conv.2 = (f32[2,2,2,2]{3,2,1,0}, u8[0]{0}) custom-call(%a, %b), window={size=4x4}, \
custom_call_target="__cudnn$convForward", metadata={op_name="jit(run)/conv_down/conv"}
  ROOT %gemm = (f32[2,2]{1,0}, s8[0]{0}) custom-call(%a, %b), \
custom_call_target="__cublas$gemm", metadata={op_name="jit(run)/conv_corr/dot_general"}
}

%condition (arg: (s32[], f32[4,2])) -> pred[] {
  ROOT %compare = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (x: f32[4,2]) -> f32[4,2] {
  %copy.9 = f32[1000]{0} copy(%x)
  %while.1 = (s32[], f32[4,2]{1,0}) while(%tuple), condition=%condition, body=%body
}
"""


def test_work_is_that_of_the_body_by_library_and_map():
    found = kernels.work(HLO)
    assert found['calls'] == {'cuDNN convBackwardFilter': 1, 'cuDNN convForward': 1, 'product': 1}
    assert found['weight_gradients'] == {'cuDNN convBackwardFilter': 1, 'product': 1}
    assert found['copies'] == {'count': 1, 'bytes': 32}
    assert found['transposes'] == {'count': 1, 'bytes': 32}
    assert found['written'] == 32 + 32 + 32 + 64 + 64 + 16

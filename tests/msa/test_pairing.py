from pfold.msa.pairing import pair_rows, species_of, with_taxon


def test_species_of_uniprot_and_uniref_headers():
    assert species_of("sp|P12345|ALBU_HUMAN/3-20") == "HUMAN"
    assert species_of("tr|A0A023GPI8|NAME_MOUSE") == "MOUSE"
    assert species_of("UniRef100_A0A6B9SYK4_9606/1-30") == "9606"
    assert species_of("query") == ""


def test_queries_first_then_shared_species_best_rows_first():
    a = ["query", "UniRef100_A_1", "UniRef100_B_2", "UniRef100_C_1"]
    b = ["query", "UniRef100_D_2", "UniRef100_E_1", "UniRef100_F_3"]
    assert pair_rows([a, b], 100).tolist() == [[0, 0], [1, 2], [2, 1]]


def test_species_in_all_chains_before_species_in_some():
    a = ["query", "UniRef100_A_1", "UniRef100_B_2"]
    b = ["query", "UniRef100_C_2", "UniRef100_D_1"]
    c = ["query", "UniRef100_E_2"]
    assert pair_rows([a, b, c], 100).tolist() == [[0, 0, 0], [2, 1, 1], [1, 2, -1]]


def test_without_species_only_the_queries_pair():
    assert pair_rows([["query", "hit"], ["query", "hit"]], 100).tolist() == [[0, 0]]


def test_uniref_headers_with_a_taxon_are_paired():
    cluster = "UniRef90_P12345 Some protein n=3 Tax=Homo sapiens TaxID=9606 RepID=X_HUMAN"
    assert with_taxon(cluster) == "UniRef100_P12345_9606"
    assert with_taxon("UniRef100_Q1/5-90 thing TaxID=10090") == "UniRef100_Q1_10090/5-90"
    assert species_of(with_taxon(cluster)) == "9606"
    for other in ("sp|P12345|NAME_HUMAN protein OX=9606", "UniRef100_P1_9606/1-9", "hit TaxID=1"):
        assert with_taxon(other) == other
